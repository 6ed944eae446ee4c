"""The pattern of messages, put together."""

from fhir_server.workflows.messages import conversation, requests, subscriptions, unanswered
from fhir_server.workflows.messages.delivery import notify
from fhir_server.workflows.notices import NOTIFY
from fhir_server.workflows.pattern import Pattern, Watch

PATTERN = Pattern(
    "W14",
    "Messages",
    rules=(
        conversation.STATE,
        conversation.IMMUTABLE,
        conversation.SENDER,
        conversation.CARE_TEAM,
        conversation.OTHER_PATIENT,
        conversation.THREAD,
        conversation.INCOMPLETE,
        requests.STATE,
        requests.RECIPIENT,
        subscriptions.SUBSCRIPTION,
    ),
    states=(conversation.STATES, requests.STATES),
    watches=(
        Watch(
            frozenset({"Communication"}),
            completes=conversation.completes,
            gather=conversation.gather,
            check=conversation.check,
            follows=conversation.follows,
        ),
        Watch(
            frozenset({"Communication"}),
            gather=requests.gather_of_message,
            follows=requests.follows_message,
        ),
        Watch(
            frozenset({"CommunicationRequest"}),
            gather=requests.gather,
            check=requests.check,
            follows=requests.follows,
        ),
        Watch(frozenset({"Task"}), follows=unanswered.follows),
        Watch(frozenset({"Subscription"}), check=subscriptions.check),
    ),
    actions={NOTIFY: notify, conversation.UNANSWERED: unanswered.remind},
    creates=frozenset({"Communication", "Task"}),
    notices=(requests.REQUESTED, conversation.NEW_MESSAGE, conversation.WAITING),
)
