"""An app for scheduler processes of the tests: see ``tests.promises.odd_settings``."""
