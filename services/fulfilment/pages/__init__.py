"""Pages for people at work, on a phone or a scanner's screen: the floor, the dock, the stops of a van. They stand on the commands and the queries of
the JSON routes, and work without JavaScript: forms and links. Each form carries the id of what it does, made with the page, so that a press that is
repeated counts once.
"""
