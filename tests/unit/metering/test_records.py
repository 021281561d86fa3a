"""What mypy is told of the kernels' records is what numpy has."""

from typing import Any, get_type_hints

import numpy as np
import pytest

from zonepulse.processors.channels import version
from zonepulse.processors.channels.table import VERSION
from zonepulse.processors.metering import records, state


@pytest.mark.parametrize(
    ("record", "dtype"),
    [
        (records.Reading, state.READING), (records.Head, state.HEAD), (records.ChannelState, state.STATE),
        (records.Channel, state.CHANNEL), (records.Window, state.WINDOW), (records.Note, state.NOTE), (records.Policy, state.POLICY),
        (records.Span, state.SPAN), (version.Version, VERSION),
    ],
)  # fmt: skip
def test_a_record_has_the_fields_of_its_dtype(record: type, dtype: np.dtype[Any]) -> None:
    kinds = {int: "i", float: "f"}
    assert {name: kinds[kind] for name, kind in get_type_hints(record).items()} == {
        name: dtype[name].kind for name in dtype.names or ()
    }
