//! The production wiring: one process a role over PostgreSQL and RabbitMQ, the sandbox as Meta.

mod guest;
mod house;
mod live;
mod trace;

use self::house::House;
use crate::support::process::run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_job_holds_with_a_process_a_role() {
    let house = House::start().await;
    let (code, out) = run(&["tour", "--dev-json", house.dev_json()]).await;
    assert_eq!(code, 0, "{out}\n--- processes:\n{}", house.logs());
    house.end().await;
}
