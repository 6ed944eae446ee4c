"""The structure of a message: which one it has, and which of its segments belong together.

    tree = grouped(message)
    for result in tree.groups("PATIENT_RESULT"):
        for order in result.groups("ORDER_OBSERVATION"):
            order.first("OBR")

`hl7.structure_tables` has the structures, `hl7.grouping` the way from a message to its tree.
"""

from hl7.grouping import grouped
from hl7.structure_tables import Group, Node, structure, structure_of

__all__ = ["Group", "Node", "grouped", "structure", "structure_of"]
