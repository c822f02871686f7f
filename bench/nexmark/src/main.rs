//! `nexmark-events COUNT`: the first events of the Nexmark benchmark, one line each as `hoga run --input` reads them.
//!
//! Names are those of the benchmark's Kafka table; times are milliseconds, as JSON has none. Events are in the order of their time, 10,000 a second, and
//! go to the partitions in turn. The strings are the generator's own: letters, digits and what an address has, nothing that JSON escapes.

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use std::io::{BufWriter, Write};

const BASE_TIME_MS: u64 = 1_767_571_200_000;
const PARTITIONS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).ok_or("nexmark-events COUNT")?.parse()?;
    let config = NexmarkConfig { base_time: BASE_TIME_MS, ..NexmarkConfig::default() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (number, event) in EventGenerator::new(config).take(count).enumerate() {
        let (partition, at) = (number % PARTITIONS, event.timestamp());
        write!(out, r#"{{"topic":"nexmark","partition":{partition},"timestamp_ms":{at},"value":"#)?;
        write_event(&mut out, &event)?;
        out.write_all(b"}\n")?;
    }
    out.flush()?;
    Ok(())
}

fn write_event(out: &mut impl Write, event: &Event) -> std::io::Result<()> {
    match event {
        Event::Person(e) => write!(
            out,
            r#"{{"event_type":0,"person":{{"id":{},"name":"{}","emailAddress":"{}","creditCard":"{}","city":"{}","state":"{}","dateTime":{},"extra":"{}"}},"auction":null,"bid":null}}"#,
            e.id, e.name, e.email_address, e.credit_card, e.city, e.state, e.date_time, e.extra
        ),
        Event::Auction(e) => write!(
            out,
            r#"{{"event_type":1,"person":null,"auction":{{"id":{},"itemName":"{}","description":"{}","initialBid":{},"reserve":{},"dateTime":{},"expires":{},"seller":{},"category":{},"extra":"{}"}},"bid":null}}"#,
            e.id, e.item_name, e.description, e.initial_bid, e.reserve, e.date_time, e.expires, e.seller, e.category, e.extra
        ),
        Event::Bid(e) => write!(
            out,
            r#"{{"event_type":2,"person":null,"auction":null,"bid":{{"auction":{},"bidder":{},"price":{},"channel":"{}","url":"{}","dateTime":{},"extra":"{}"}}}}"#,
            e.auction, e.bidder, e.price, e.channel, e.url, e.date_time, e.extra
        ),
    }
}
