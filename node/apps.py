"""What the coordinator says of apps, as the engine asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.coordinator.records import AppRecord
from hubbub.runtime.logs import get_logger
from hubbub.settings.profiles import resolve
from node.engine import AppInfo

_log = get_logger()


class Apps:
    """Settings of apps by name, resolved once for each change."""

    def __init__(self, records: Mapping[str, AppRecord]) -> None:
        """Args: records: the coordinator's view, live."""
        self._records = records
        self._infos: dict[str, AppInfo] = {}

    def info(self, app: str) -> AppInfo | None:
        """None: there is no such app."""
        found = self._infos.get(app)
        if found is None:
            self.take(app)
            found = self._infos.get(app)
        return found

    def take(self, app: str) -> None:
        """What the app's record says now; of one that cannot be, the last that could stays."""
        record = self._records.get(app)
        if record is None:
            self._infos.pop(app, None)
            return
        try:
            settings = resolve(record.profile, record.changes)
        except ValueError as error:
            _log.error("app.unusable", app=app, reason=str(error))
            return
        self._infos[app] = AppInfo(
            record.id_secret.encode(), settings, record.is_deleted, record.quotas
        )

    def deleted(self) -> dict[str, int]:
        """Names of deleted apps → when, in milliseconds."""
        return {row.app: row.deleted_ms for row in self._records.values() if row.is_deleted}
