//! The gateway: the one door, through which clients' calls reach the services.
