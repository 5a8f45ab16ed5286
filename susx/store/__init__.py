"""The artefact store: content fingerprints, jobs and their stored results."""

from susx.store.artefacts import ArtefactStore
from susx.store.disk import write_atomically
from susx.store.file_digests import FileDigests
from susx.store.fingerprint import digest_bytes, digest_file, digest_json
from susx.store.job import Job, Outcome, Ref
from susx.store.location import is_remote, open_store
from susx.store.manifest import Manifest

__all__ = [
    "ArtefactStore",
    "FileDigests",
    "Job",
    "Manifest",
    "Outcome",
    "Ref",
    "digest_bytes",
    "digest_file",
    "digest_json",
    "is_remote",
    "open_store",
    "write_atomically",
]
