//! The HTTP service on raw hyper: routes, errors, and the life of a request.
