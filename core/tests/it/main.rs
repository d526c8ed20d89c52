//! Everything that the call machine and the board promise, tested from outside: by stories, by chance, by every
//! order of the news, by what is stored, and by what is kept to oneself.

mod board;
mod carrier;
mod golden;
mod machine;
mod order;
mod plan;
mod stories;
mod wall;
mod world;
