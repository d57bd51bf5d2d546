"""The features of the product, in order: checks, guards and apply run in this order.

A feature may use the shapes and public tables of those above it, never of those below.
"""

from __future__ import annotations

from typing import Final

from hubbub.features import (
    add_jobs,
    apps,
    archive,
    bulk_delete,
    capabilities,
    channel_list,
    channel_query,
    channels,
    counters,
    directory,
    event_types,
    expiry,
    forward,
    freezing,
    guarantees,
    history,
    join_requests,
    list_settings,
    marks,
    members,
    messages,
    metadata,
    pins,
    promotion,
    raw_events,
    reactions,
    retention,
    revisions,
    sanctions,
    slow_mode,
    subscriptions,
    sync,
    threads,
    users,
)
from hubbub.features.contract import Registry

FEATURES: Final = (
    apps.FEATURE,
    users.FEATURE,
    channels.FEATURE,
    guarantees.FEATURE,
    freezing.FEATURE,
    members.FEATURE,
    capabilities.FEATURE,
    sanctions.FEATURE,
    slow_mode.FEATURE,
    promotion.FEATURE,
    add_jobs.FEATURE,
    archive.FEATURE,
    join_requests.FEATURE,
    directory.FEATURE,
    metadata.FEATURE,
    counters.FEATURE,
    event_types.FEATURE,
    messages.FEATURE,
    retention.FEATURE,
    expiry.FEATURE,
    history.FEATURE,
    threads.FEATURE,
    reactions.FEATURE,
    pins.FEATURE,
    revisions.FEATURE,
    bulk_delete.FEATURE,
    forward.FEATURE,
    marks.FEATURE,
    channel_list.FEATURE,
    list_settings.FEATURE,
    channel_query.FEATURE,
    raw_events.FEATURE,
    sync.FEATURE,
    subscriptions.FEATURE,
)
REGISTRY: Final = Registry(FEATURES)
