"""Published methods of the domain, one file each; the registry in ``domains.graphs`` names them."""
