"""What a command does with a config: check it, build it, launch it, save and resume it, report it."""
