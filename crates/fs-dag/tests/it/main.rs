//! What the DAG promises, from outside.

mod deep;
mod graphs;
mod histories;
mod laws;
mod real;
mod shapes;
