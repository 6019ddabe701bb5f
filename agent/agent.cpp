namespace fairlead {}
