"""Every error coachsim raises on purpose: one base, each a sentence saying what was wrong and what to do.

``code`` is the stable name the API gives (``{"error": {"code", "message", "field"?}}``); ``http_status`` is the
status a server answers with. The rules know nothing else of HTTP.
"""

from __future__ import annotations


class CoachsimError(Exception):
    """Base of all errors that a user can cause or has to act on.

    ``field`` names the input that was at fault, where one was.

    >>> try:
    ...     open_log("nowhere.duckdb")
    ... except CoachsimError as error:
    ...     print(error)
    There is no log at nowhere.duckdb. Give the path of a log file or of a data folder that has one.
    """

    code = "error"
    http_status = 400

    def __init__(self, message: str, *, field: str | None = None):
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(CoachsimError, ValueError):
    """A value that is malformed, too long, out of range or misspelt."""

    code = "invalid_input"
    http_status = 422


class InvalidTransition(CoachsimError):
    """A change of agent state that the floor does not allow, such as a break while logged out."""

    code = "invalid_transition"
    http_status = 409


class NotPresent(CoachsimError):
    """The agent is logged out, and what was asked needs them on the floor."""

    code = "not_present"
    http_status = 409


class NotFound(CoachsimError):
    """Unknown, or outside what the caller may see: the two are not told apart."""

    code = "not_found"
    http_status = 404


class UnknownAgent(NotFound):
    """An agent that is not on the roster, or not in the caller's teams."""

    code = "unknown_agent"

    @classmethod
    def named(cls, agent_id: str, *, field: str = "agent_id") -> UnknownAgent:
        """The error for one of this id. Whether there is one outside the caller's teams it does not say."""
        return cls(f"There is no agent {agent_id!r} on the roster, or not for you to see. Check the id.", field=field)


class UnknownGroup(NotFound):
    """A campaign, list, team or queue that no agent the caller can see belongs to."""

    code = "unknown_group"


class UnknownMessage(NotFound):
    """A message that is not in the day asked about, or has no recipient the caller can see."""

    code = "unknown_message"


class UnknownSchedule(NotFound):
    """A scheduled message that there is not, or no longer, or that is somebody else's."""

    code = "unknown_schedule"


class ConditionMet(CoachsimError):
    """What a message was to wait for is so already: it can be sent at once."""

    code = "condition_met"
    http_status = 409


class TooLate(CoachsimError):
    """A scheduled message has gone out already and cannot be withdrawn."""

    code = "too_late"
    http_status = 409


class InactiveAgent(CoachsimError):
    """The agent has been made inactive: nothing can be sent to them, and they cannot sign in."""

    code = "inactive_agent"
    http_status = 409


class AgentInUse(CoachsimError):
    """What was asked is for former agents, and this one is active, or was still there today."""

    code = "agent_in_use"
    http_status = 409


class EmptyAudience(CoachsimError):
    """The audience matches nobody."""

    code = "empty_audience"
    http_status = 422


class AudienceChanged(CoachsimError):
    """The audience is no longer the one that was confirmed."""

    code = "audience_changed"
    http_status = 409


class RequestReused(CoachsimError):
    """A ``request_id`` that was already used today for something else."""

    code = "request_reused"
    http_status = 409


class TemplateFault(InvalidInput):
    """A template with a placeholder that there is not, or that cannot be filled in for these agents."""

    code = "template_fault"


class UnknownTemplate(NotFound):
    """A template that there is not, or that is another's own."""

    code = "unknown_template"


class TemplateChanged(CoachsimError):
    """Somebody has changed the template since it was looked at."""

    code = "template_changed"
    http_status = 409


class TooManyTemplates(CoachsimError):
    """The account has as many templates as there can be."""

    code = "too_many_templates"
    http_status = 409


class SeatTaken(CoachsimError):
    """Somebody else is this agent at the moment (practice)."""

    code = "seat_taken"
    http_status = 409


class NotReadYet(CoachsimError):
    """A message can be acknowledged only once it has been read."""

    code = "not_read_yet"
    http_status = 409


class AcknowledgementNotAsked(CoachsimError):
    """The message does not ask for an acknowledgement."""

    code = "ack_not_asked"
    http_status = 409


class NotSignedIn(CoachsimError):
    """There is no valid session, ticket or token with the request."""

    code = "not_signed_in"
    http_status = 401


class Forbidden(CoachsimError):
    """Signed in, but no role of this account may do it."""

    code = "forbidden"
    http_status = 403


class TooManyRequests(CoachsimError):
    """More was asked in a short time than the server takes. ``retry_after``: seconds after which it takes more."""

    code = "too_many_requests"
    http_status = 429

    def __init__(self, message: str, *, field: str | None = None, retry_after: int = 1):
        super().__init__(message, field=field)
        self.retry_after = retry_after


class RosterError(CoachsimError):
    """A roster file with faults; ``faults`` has one sentence for each, with its line and column."""

    code = "roster_faults"
    http_status = 422

    def __init__(self, message: str, faults: list[str] | None = None):
        super().__init__(message)
        self.faults = faults or []


class SettingsError(CoachsimError):
    """A settings file that cannot be used as it is."""

    code = "settings"
    http_status = 422


class NotEnoughEvidence(CoachsimError):
    """A log from which what was asked cannot be learned: no day is over, or too little was read."""

    code = "not_enough_evidence"
    http_status = 422


class LogError(CoachsimError):
    """The log cannot be opened, read or written."""

    code = "log"
    http_status = 503


class LogLocked(LogError):
    """Another process has the log open."""

    code = "log_locked"


class LogDamaged(LogError):
    """The log is not a coachsim log, is damaged, or was written by a newer version."""

    code = "log_damaged"


class LogOutdated(LogError):
    """The log is of an earlier format, which has to be brought up to date before it can be read."""

    code = "log_outdated"


class WrongFolder(LogError):
    """The data folder belongs to another mode, scenario or seed."""

    code = "wrong_folder"


class LogUnavailable(LogError):
    """A commit failed (a full disk, say): nothing is taken until one succeeds again."""

    code = "log_unavailable"


class ServerUnavailable(CoachsimError):
    """The server could not be reached or did not answer in time."""

    code = "server_unavailable"
    http_status = 503


class CoachsimWarning(UserWarning):
    """Something that was asked for could not be had in full; what was done instead is said."""


def kind_named(code: str) -> type[CoachsimError]:
    """The error that a server calls ``code``; ``CoachsimError`` itself for a name that is not known here."""
    kinds: list[type[CoachsimError]] = [CoachsimError]
    for kind in kinds:  # grows on the way; of classes that share a name the base comes first
        if kind.code == code:
            return kind
        kinds += kind.__subclasses__()
    return CoachsimError
