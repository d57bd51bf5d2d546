"""How much and how long: of a process (`schema`), of an app (`app`), in named sets (`profiles`)."""
