j
locationinput.pbp