"""Which column of a manifest means what."""

from collections.abc import Mapping, Sequence
from typing import Any

from multimodal_emotion.datasets._table import Row, Table
from multimodal_emotion.errors import InputError, unknown

MEDIA = ("audio", "image", "video")
ROLES = ("id", "text", "words", "tags", "label", "split", "speaker", "dialogue", "turn", *MEDIA, "start", "end")
FEATURES = "features."


class Columns:
    """The columns of a table by their role.

    Attributes:
        roles: for each role its columns: one, or for "label" and "features.NAME" several.
        extra: the columns without a role.
    """

    def __init__(self, table: Table, given: Mapping[str, str]) -> None:
        """
        Args:
            table: the manifest.
            given: column by role, such as {"text": "Tweet", "label": "V,A,D"}; a column whose own name is a role needs
                none.

        Raises:
            InputError: there is no such role, or no such column.
        """
        self.roles: dict[str, tuple[str, ...]] = {}
        for role, value in given.items():
            if role not in ROLES and not role.startswith(FEATURES):
                raise unknown("column role", role, (*ROLES, f"{FEATURES}NAME"), "columns")
            columns = (value,) if value in table.columns else tuple(part.strip() for part in value.split(","))
            table.require(*columns)
            if len(columns) > 1 and role != "label" and not role.startswith(FEATURES):
                raise InputError(
                    f"{table.path}: {role} takes one column, not {value!r}; label and features take several"
                )
            self.roles[role] = columns
        taken = {column for columns in self.roles.values() for column in columns}
        for column in table.columns:
            if (column in ROLES or column.startswith(FEATURES)) and column not in self.roles and column not in taken:
                self.roles[column] = (column,)
        taken |= {column for columns in self.roles.values() for column in columns}
        self.extra = tuple(column for column in table.columns if column not in taken)

    def __contains__(self, role: str) -> bool:
        return role in self.roles

    @property
    def features(self) -> Sequence[str]:
        """The roles that are features."""
        return [role for role in self.roles if role.startswith(FEATURES)]

    def column(self, role: str) -> str:
        """The column of a role that has one; "" if it has none."""
        return self.roles.get(role, ("",))[0]

    def text(self, row: Row, role: str) -> str:
        """The cell of a role as text; "" if it is empty or there is no such column."""
        return row.text(self.column(role))

    def label_cells(self, row: Row) -> dict[str, Any]:
        """The cells of the label, or of the tags of words, by column."""
        columns = self.roles.get("tags") or self.roles.get("label", ())
        return {column: row.cells.get(column) for column in columns}

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which of audio, image and text there are columns of; a video is both audio and image."""
        roles_of = {"audio": ("audio", "video"), "image": ("image", "video"), "text": ("text", "words")}
        return tuple(modality for modality, roles in roles_of.items() if any(role in self.roles for role in roles))

    @property
    def tagged(self) -> bool:
        """Whether the labels are those of words."""
        return "tags" in self.roles or "words" in self.roles
