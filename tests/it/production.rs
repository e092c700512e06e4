//! The production wiring: one process a role over PostgreSQL and RabbitMQ, the sandbox as Meta.

mod house;
mod live;
mod storm;
mod trace;

use self::house::House;
use crate::support::process::run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_job_holds_with_a_process_a_role() {
    let house = House::start().await;
    let (code, out) = run(&["tour", "--dev-json", house.dev_json()]).await;
    assert_eq!(code, 0, "{out}\n--- processes:\n{}", house.logs());
    what_meta_knows_of_us_is_checked_line_by_line(&house).await;
    house.end().await;
}

/// The operator's last look before clients come, and what it says once the configuration and Meta disagree.
async fn what_meta_knows_of_us_is_checked_line_by_line(house: &House) {
    let (code, out) = house.check_meta(None).await;
    assert_eq!(code, 0, "{out}");
    for what in ["Graph version", "clock", "token", "subscription", "fields", "verify token"] {
        assert!(out.contains(&format!("ok      {what}:")), "{what} is not told as ok:\n{out}");
    }
    house.change_verify_token();
    let (code, out) = house.check_meta(None).await;
    assert_ne!(code, 0, "{out}");
    let wrong: Vec<_> = out.lines().filter(|line| line.contains("NOT OK")).collect();
    assert!(matches!(wrong.as_slice(), [line] if line.contains("verify token")), "{out}");
}
