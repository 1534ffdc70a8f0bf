"""Static files: collected under names with a digest of their content, which browsers may keep for ever."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedFiles(CompressedManifestStaticFilesStorage):
    """Uses the plain names while nothing has been collected: in tests, and under ``runserver``."""

    #: A script that imports another one gets the same copy of it as the page does.
    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
