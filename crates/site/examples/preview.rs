//! Serves the pages over sample data on loopback: `cargo run --example preview -- 8080`.
//! Without a port it takes 8080; `empty` as a second word serves an empty store, `many` one with
//! enough servers for shares.

#[path = "../../../tests/site/sample.rs"]
mod sample;

use std::net::SocketAddr;
use std::sync::Arc;

use scanner::time::FixedClock;
use site::{AppState, SiteSettings, router};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = words.first().map_or(Ok(8080), |word| word.parse())?;
    let store = sample::empty().await;
    let now = if words.iter().any(|word| word == "empty") {
        sample::START
    } else if words.iter().any(|word| word == "many") {
        let world = sample::many();
        let targets = sample::targets(&world);
        for week in 0..4 {
            let at = sample::START.plus(week * 7 * sample::DAY);
            sample::pass(&store, &world, &targets, at).await;
            store.roll_up(at).await?;
        }
        sample::START.plus(28 * sample::DAY)
    } else {
        sample::fill(&store).await
    };
    let settings = SiteSettings {
        demo: true,
        reads_per_minute: 100_000,
        contact: Some("mailto:scanning@authdex.example".into()),
        ..SiteSettings::default()
    };
    let app = AppState {
        store,
        clock: Arc::new(FixedClock::new(now.plus(2 * sample::DAY + 7_400_000))),
        settings: Arc::new(settings),
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
