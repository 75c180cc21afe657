"""The keys: what is kept where.

{ns}:p:{id}             hash    the record: `spec` is the prediction as it was submitted, the other fields are what
                                its events have made of it (an absent one has its default) and the run's lease;
                                a deleted one is `gone`, and only keeps its messages from running
{ns}:e:{id}             list    the log, one JSON event per entry; also the channel on which new ones are published
{ns}:account:{account}  zset    its predictions, for listing
{ns}:outstanding        hash    how many predictions of a model an account has that have not ended
{ns}:lines              hash    how many predictions of a model have come and gone: "model what", or "model what lane"
{ns}:outbox             zset    created and not yet known to be queued, by when the sweeper may take them, in ms
{ns}:waiting            zset    known to be queued and not begun, by since when, in ms
{ns}:leases             zset    running, by when their lease expires, in ms
{ns}:deadlines          zset    not ended, by when the next of its deadlines passes, in ms
{ns}:expiry             zset    ended, by when its data, or then its record, is to go, in ms
{ns}:unreplied          zset    ended, and a reply to who asked over AMQP is owed, by since when, in ms
{ns}:hooks              zset    with news for their webhooks, by from when on somebody may see to it, in ms
{ns}:calls:{id}         list    the latest calls of a prediction's webhook
{ns}:hook-secrets       hash    the secrets by which webhooks are signed, by account
{ns}:cards              hash    the cards by model
{ns}:dead               zset    the ids of the dead letters, for listing
{ns}:dead-models        zset    "model id" of those that are predictions, for listing by model
{ns}:dead:{id}          hash    a dead letter: its `model`, `body` and `failure`
{ns}:blob:{key}         hash    a large value: its chunks by their numbers from 0, its `size`, and whose `put` it was
{ns}:blobs:{a/b}        set     the keys of the large values whose `key` begins with these two segments
{ns}:upload:{id}        hash    a client's file: what is known of it, as `data`, and whether it was `kept`
{ns}:uploads            zset    all of them, by when they expire, in ms
{ns}:uploads:{account}  zset    those of an account that are kept, for listing
{ns}:secret:{name}      string  a secret of the installation
{ns}:credentials        hash    the API keys, by the digest of each
{ns}:credentials-used   hash    when each was last used, in s
{ns}:allowances         hash    what accounts may, where that is not what the settings say, by account
{ns}:usage              hash    of accounts with limits how many predictions wait and run, and what is in the bucket of
                                their rate: "account what"
{ns}:leader:{key}       string  the prediction that runs, or has run, for all that ask for the same; expires
{ns}:presence           zset    model and worker, by when they count as gone, in ms
{ns}:problems           hash    why those of them that cannot serve now cannot
{ns}:once:{account}:{key}    string  a create that may be sent again: its fingerprint and the prediction; expires
{ns}:missed:{account}:{key}  hash    predictions whose answer did not reach the client, each with the one that would
                                have been created if it had not been answered with it; expires
"""

from __future__ import annotations

from leveret.core.once import Once, Sent


class Keys:
    """All keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.outstanding = f"{namespace}:outstanding"
        self.lines = f"{namespace}:lines"
        self.outbox = f"{namespace}:outbox"
        self.waiting = f"{namespace}:waiting"
        self.leases = f"{namespace}:leases"
        self.deadlines = f"{namespace}:deadlines"
        self.expiry = f"{namespace}:expiry"
        self.unreplied = f"{namespace}:unreplied"
        self.hooks = f"{namespace}:hooks"
        self.hook_secrets = f"{namespace}:hook-secrets"
        self.cards = f"{namespace}:cards"
        self.presence = f"{namespace}:presence"
        self.dead = f"{namespace}:dead"
        self.dead_models = f"{namespace}:dead-models"
        self.uploads = f"{namespace}:uploads"
        self.problems = f"{namespace}:problems"
        self.allowances = f"{namespace}:allowances"
        self.usage = f"{namespace}:usage"
        self._records = f"{namespace}:p:"
        self._logs = f"{namespace}:e:"
        self._blobs = f"{namespace}:blob:"
        self._folders = f"{namespace}:blobs:"
        self._accounts = f"{namespace}:account:"
        self._letters = f"{namespace}:dead:"
        self._once = f"{namespace}:once:"
        self._missed = f"{namespace}:missed:"
        self._uploads = f"{namespace}:upload:"
        self._secrets = f"{namespace}:secret:"
        self._calls = f"{namespace}:calls:"
        self._leaders = f"{namespace}:leader:"
        self.credentials = f"{namespace}:credentials"
        self.credentials_used = f"{namespace}:credentials-used"

    def record(self, prediction_id: str) -> str:
        """The record of a prediction."""
        return self._records + prediction_id

    def log(self, prediction_id: str) -> str:
        """The log of a prediction."""
        return self._logs + prediction_id

    def account(self, account: str) -> str:
        """The predictions of an account."""
        return self._accounts + account

    def letter(self, letter_id: str) -> str:
        """A dead letter."""
        return self._letters + letter_id

    def upload(self, upload_id: str) -> str:
        """A client's file."""
        return self._uploads + upload_id

    def account_uploads(self, account: str) -> str:
        """The files of an account."""
        return f"{self.uploads}:{account}"

    def secret(self, name: str) -> str:
        """A secret of the installation."""
        return self._secrets + name

    def leader(self, key: str) -> str:
        """Who leads the predictions with this key."""
        return self._leaders + key

    def calls(self, prediction_id: str) -> str:
        """The calls of a prediction's webhook."""
        return self._calls + prediction_id

    def blob(self, key: str) -> str:
        """A large value."""
        return self._blobs + key

    def blob_folder(self, key: str) -> str:
        """The large values whose keys begin with the same two segments."""
        return self._folders + "/".join(key.split("/")[:2])

    def once(self, account: str, once: Once) -> str:
        """What is remembered of a create."""
        return f"{self._missed if once.sent is Sent.UNMARKED else self._once}{account}:{once.key}"
