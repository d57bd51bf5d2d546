"""What every Hubbub process shares. The layers, lowest first: base, wire/ring/model/settings,
features, runtime/transport/coordinator, client."""

VERSION = "0.1.0"
