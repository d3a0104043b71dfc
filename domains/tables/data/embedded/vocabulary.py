"""Invented towns, streets and names of institutions for the embedded tables."""

from __future__ import annotations

__all__ = ["CHAINS", "FAMILIES", "MUSEUM_SUBJECTS", "STREETS", "TOWNS"]

# name, first four digits of its postcodes, area code, domain of its web pages
TOWNS = (
    ("Arnwick", "4101", "0171", "arnwick"),
    ("Saint-Éloy", "4120", "0172", "saint-eloy"),
    ("Brückfeld", "4135", "0173", "brueckfeld"),
    ("Castle Dunmore", "4150", "0174", "castledunmore"),
    ("Dunmore", "4151", "0174", "dunmore"),
    ("Östervik", "4170", "0175", "oestervik"),
    ("Port Halden", "4188", "0176", "porthalden"),
    ("Halden", "4190", "0177", "halden"),
    ("Villanueva del Río", "4205", "0178", "villanueva"),
    ("Greyhaven", "4222", "0179", "greyhaven"),
    ("Maplestead", "4240", "0181", "maplestead"),
    ("Kirkby Ford", "4261", "0182", "kirkbyford"),
)
STREETS = (
    "Mill Lane", "High Street", "Station Road", "Church Street", "Market Square", "Harbour Road", "Queen Street",
    "Linden Avenue", "School Lane", "Bridge Street", "Abbey Road", "Orchard Way", "Park Avenue", "River Street",
    "Castle Hill", "Cooper Street", "North Road", "South Road", "Garden Street", "Tower Street", "Weaver Lane",
    "College Road", "Foundry Lane", "Rosebery Avenue",
)  # fmt: skip
# chains of bookshops with one web page for all branches
CHAINS = (
    ("Lindgren Books", "lindgrenbooks.example"),
    ("The Paper Lantern", "paperlantern.example"),
    ("Ink & Quill", "inkandquill.example"),
)
FAMILIES = (
    "Ashworth", "Bérenger", "Calloway", "Dörfler", "Eastman", "Fournier", "Grönberg", "Hartley", "Ibáñez", "Jansson",
    "Kestrel", "Lowell", "Müller", "Norrby", "Okafor", "Pemberton",
)  # fmt: skip
MUSEUM_SUBJECTS = (
    "Maritime History", "Local History", "Natural History", "Printing", "Modern Art", "Railways", "Textiles",
    "Photography", "Clocks and Watches", "Folk Art", "Glass", "Musical Instruments",
)  # fmt: skip
