"""Studies on many machines: groups sharded over Ray actors, records in a shared folder or an S3-compatible store.

`dispatch` decides which worker runs which group, `ray_pool` makes workers of Ray actors, `worker` is one of them, `store`
and `objects` keep a study in an object store, and `study` puts these together. Nothing of Ray is loaded before a study
asks for it.
"""

from __future__ import annotations

from modalconflict.distributed.store import ObjectFolder, is_object_uri, open_object_folder

__all__ = ["ObjectFolder", "is_object_uri", "open_object_folder"]
