//! The bus over both transports and both databases. Needs PostgreSQL and RabbitMQ on this machine, or where
//! `DATABASE_URL` and `AMQP_URL` say; databases, roles, queues and exchanges are the tests' own.

#[cfg(test)]
mod consumers;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod rabbit;
#[cfg(test)]
mod relaying;
#[cfg(test)]
mod script;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transport;
