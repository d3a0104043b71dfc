"""Language models that score candidate values: on a server, in a local folder or file, or none at all.

None is used unless a person asks for one, and only a server sees anything outside of the machine.
"""
