"""Messages about people who were never born, for tests that need no other data."""


def message(*segments: str, end: str = "\r") -> bytes:
    """Return a message of these segments."""
    return "".join(segment + end for segment in segments).encode()


MSH_A01 = "MSH|^~\\&|ADT1|HOSP^1.2.3^ISO|FHIR|HOSP|20240102030405+0100||ADT^A01^ADT_A01|C-1|P|2.5.1"
ADT_A01 = message(
    MSH_A01,
    "EVN||20240102030405",
    "PID|1||4711^^^HOSP^MR~99^^^STATE&1.2.9&ISO^SS||Quill&von&Quill^Otto^Q~Quilty^Ott||19700102|M",
    "NK1|1|Quill^Ada|SPO",
    "PV1|1|I|W1^101^A^HOSP||||||||||||||||V-1^^^HOSP^VN",
    "AL1|1|DA|AMX^Amoxicillin^L",
    "ZAL|1|whatever|we~do^not&know",
)
ORU_R01 = message(
    "MSH|^~\\&|LAB|LABFAC|FHIR|HOSP|20240102||ORU^R01^ORU_R01|L-1|P|2.5.1|||AL|NE||UNICODE UTF-8",
    "PID|1||4711^^^HOSP^MR||Quill^Otto",
    "PV1|1|I",
    "ORC|RE|P1|F1",
    "OBR|1|P1|F1|CBC^Blood count^L|||20240102",
    "NTE|1||first order",
    "OBX|1|NM|718-7^Hb^LN||13.5|g/dL|12-16|N|||F",
    "NTE|1||first result",
    "OBX|2|TX|X^Text^L||one line\\.br\\another & more||||||F",
    "ORC|RE|P2|F2",
    "OBR|2|P2|F2|GLU^Glucose^L|||20240102",
    "OBX|1|SN|2345-7^Glucose^LN||>^90|mg/dL|||||F",
    "SPM|1|S1||BLD",
)
