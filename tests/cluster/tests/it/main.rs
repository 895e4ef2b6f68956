//! The chart on a real cluster: installed, used, broken, changed and taken away.

mod changing;
mod installing;
mod killing;
mod outages;
mod refusing;
mod rolling;
mod scaling;
mod tracing;
mod walls;
