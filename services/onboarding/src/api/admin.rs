//! `AdminService`: jobs and dead letters.

bus::admin_service!(onboarding);
