//! Services die at every point of their code at which something leaves them, and under load.

mod catalogue;
mod loaded;
mod machinery;
mod matrix;
mod money;
mod orders;
mod people;
mod scene;
mod selling;
