"""How we tell people: notices in, mail out. Knows `billing`; nothing in `billing` knows it."""
