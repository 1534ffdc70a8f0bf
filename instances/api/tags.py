"""Tags: the words that instances are found by."""

from __future__ import annotations

from typing import Any, ClassVar

from instances.models import Tag
from instances.services import tags
from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows


class TagSerializer(CleanModelSerializer):
    class Meta:
        model = Tag
        fields = ("name", "label", "category", "colour")


class TagViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    """A tag that is deleted is taken off every instance."""

    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    lookup_field = "name"
    lookup_value_regex = "[a-z0-9][a-z0-9_.-]{0,49}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"name": ("name",), "-name": ("-name",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.tag")

    def store_new(self, serializer: Any) -> Tag:
        return tags.save(serializer.build(), actor=self.actor())

    store = store_new

    def remove(self, tag: Tag) -> None:
        tags.delete(tag, actor=self.actor())
