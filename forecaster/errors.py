"""Everything that may go wrong, as one tree.

::

    ForecasterError                 exit code 70
    ├── ConfigurationError          78   the file is wrong; names line, key and fix
    ├── BrokerUnreachable           69   a command that needs the broker now cannot reach it
    ├── StoreError                  74   journal, history or snapshot cannot be read or written
    ├── TrainingFailed              75   the training process ended without a model
    ├── ModelError                  66   a model file is missing, broken or of another shape
    │   └── ModelMismatch           66   trained for other settings than the group has now
    └── BadInput                    65   a file given to a command cannot be read as series

Bad *data* from the wire is not here: it is a value (:class:`forecaster.records.Reject`).
"""


class ForecasterError(Exception):
    """Any error a person can act on. The message says what, where, and what to do next."""

    exit_code = 70


class ConfigurationError(ForecasterError):
    """The configuration cannot be used."""

    exit_code = 78


class BrokerUnreachable(ForecasterError):
    """No answer from the MQTT broker, or it refused us."""

    exit_code = 69


class StoreError(ForecasterError):
    """The data directory cannot be read or written."""

    exit_code = 74


class TrainingFailed(ForecasterError):
    """The training process ended without a model."""

    exit_code = 75


class ModelError(ForecasterError):
    """A model file is missing or broken."""

    exit_code = 66


class ModelMismatch(ModelError):
    """A model was trained for other settings than its group has now."""


class BadInput(ForecasterError):
    """A file given to a command is not what the command reads."""

    exit_code = 65
