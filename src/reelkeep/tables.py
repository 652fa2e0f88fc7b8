"""Every table of Reelkeep, gathered for migrations and documents."""

from sqlalchemy import MetaData

from reelkeep.accounts import models as _accounts
from reelkeep.backups import models as _backups
from reelkeep.blobs import models as _blobs
from reelkeep.db.base import Base
from reelkeep.events import models as _events
from reelkeep.placement import models as _placement
from reelkeep.recordings import models as _recordings
from reelkeep.renditions import models as _renditions
from reelkeep.transcripts import models as _transcripts
from reelkeep.uploads import models as _uploads

ROOMS = (_accounts, _backups, _blobs, _events, _placement, _recordings, _renditions, _transcripts, _uploads)


def all_tables() -> MetaData:
    """The metadata of every table, all rooms imported."""
    return Base.metadata
