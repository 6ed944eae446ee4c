"""The groups of order messages: which segments belong to which order, and which OBX to which specimen.

By the order of the segments: ORC begins an order, an OBR (or RX...) without one as well, and what follows
belongs to it. Results of before, which come with some orders, are told apart by a PID among them or by ORC-1
PR; several orders in one message are several orders. HL7 v2.5.1 §4.4.6 (OML), §7.3.1 (ORU), §7.3.4 (OUL)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hl7.message import Segment

DETAILS = frozenset({"OBR", "RXO", "RXE", "RXD", "RXA", "RQD", "ODS", "ODT"})


@dataclass(slots=True)
class Result:
    """An OBX with its notes."""

    obx: Segment
    notes: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Sample:
    """An SPM with what was found of the specimen itself."""

    spm: Segment
    results: list[Result] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """One order: `orc` and `detail` (OBR, RXO, RXE, RXD, RXA) with all that belongs to it."""

    orc: Segment | None = None
    detail: Segment | None = None
    further: list[Segment] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    is_prior: bool = False

    def all(self, name: str) -> Iterator[Segment]:
        """Yield the further segments of that name: TQ1, DG1, RXR, FT1, ..."""
        return (one for one in self.further if one.name == name)

    def first(self, name: str) -> Segment | None:
        """Return the first further segment of that name."""
        return next(self.all(name), None)


@dataclass(slots=True)
class Walk:
    """What was met so far of a message."""

    orders: list[Order] = field(default_factory=list)
    patient_notes: list[Segment] = field(default_factory=list)
    leading: list[Sample] = field(default_factory=list)
    _result: Result | None = None
    _sample: Sample | None = None
    _is_prior: bool = False
    _has_pid: bool = False
    orders_since: bool = False

    def lead(self, segment: Segment) -> None:
        """Take an SPM that begins a group of orders, all of which are of it (OUL^R22)."""
        if self._result is not None or self._sample is None or self.orders_since:
            self.leading = []
        self._sample, self._result = Sample(segment), None
        self.leading.append(self._sample)
        self.orders_since = False

    def take(self, segment: Segment) -> None:
        """Take the next segment."""
        name = segment.name
        if name == "PID":
            self._is_prior = self._has_pid
            self._has_pid = True
        elif name == "ORC":
            self._order_control(segment)
        elif name in DETAILS:
            self._detail(segment)
        elif name == "SPM":
            self._specimen(segment)
        elif name == "OBX":
            self._observation(segment)
        elif name == "NTE":
            self._note(segment)
        elif self.orders:
            self.orders[-1].further.append(segment)

    def _order_control(self, segment: Segment) -> None:
        last = self.orders[-1] if self.orders else None
        if last is not None and last.orc is None and last.detail is not None and not last.results:
            last.orc = segment  # OUL^R22 has ORC behind OBR
            return
        if segment.get(1) == "NW":
            self._is_prior = False
        self._open(Order(orc=segment, is_prior=self._is_prior or segment.get(1) == "PR"))

    def _detail(self, segment: Segment) -> None:
        last = self.orders[-1] if self.orders else None
        if last is None or (last.detail is not None and segment.name == "OBR"):
            self._open(Order(is_prior=self._is_prior))
            last = self.orders[-1]
        if last.detail is None:
            last.detail = segment
        else:
            last.further.append(segment)

    def _open(self, order: Order) -> None:
        order.samples += self.leading
        self.orders.append(order)
        self.orders_since = True
        self._result = self._sample = None

    def _specimen(self, segment: Segment) -> None:
        self._sample = Sample(segment)
        self._result = None
        (self.orders[-1].samples if self.orders else self.leading).append(self._sample)

    def _observation(self, segment: Segment) -> None:
        self._result = Result(segment)
        # Some send SPM before the results: what follows it is of the specimen only if results came before.
        is_of_sample = not self.orders or bool(self.orders[-1].results)
        if self._sample is not None and is_of_sample:
            self._sample.results.append(self._result)
        elif self.orders:
            self.orders[-1].results.append(self._result)

    def _note(self, segment: Segment) -> None:
        if self._result is not None:
            self._result.notes.append(segment)
        elif self.orders:
            self.orders[-1].notes.append(segment)
        else:
            self.patient_notes.append(segment)


def walk(segments: Iterable[Segment], *, specimen_first: bool = False) -> Walk:
    """Return the orders of a message; with `specimen_first` an SPM begins a group of orders (OUL^R22)."""
    found = Walk()
    for segment in segments:
        if specimen_first and segment.name == "SPM":
            found.lead(segment)
        else:
            found.take(segment)
    return found
