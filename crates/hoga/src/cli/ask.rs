//! `hoga status`, `audit` and `backfill`: what is asked of a running hoga.

use super::parts::TIMES_HELP;
use super::{PageArgs, SpanArgs, TablesArgs};
use clap::Args;

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub page: PageArgs,
}

const AUDIT_HELP: &str = "\
What is compared: bars of every size with what the trade table gives (those not yet closed are no difference, and one counts only
if it is still wrong after 15 s); trades by (market, sequential_id), each once; whole minutes that the ledger of gaps promises with
the exchange's own minute bars, asked for within its limits; trade gaps that are open, pending or lost. Gaps of tickers and order
books are counted and are no difference: nobody can repair them.

--json: a line a finding, {\"kind\": \"bar\" | \"minute\" | \"duplicate\" | \"gap\", \"market\": …}, then {\"kind\": \"summary\", …}.

Exit code: 0 clean, 1 differences, 2 a mistake in the options, 3 hoga (or with --rest the exchange) cannot be reached.";

#[derive(Debug, Args)]
#[command(after_help = format!("{TIMES_HELP}\n\n{AUDIT_HELP}"))]
pub struct AuditArgs {
    /// A JSON object a line, instead of words
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub tables: TablesArgs,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub span: SpanArgs,
    /// Codes with commas, a quote currency (KRW), or all
    #[arg(long, value_name = "MARKETS", default_value = "all")]
    pub markets: String,
    /// The exchange must answer; without this its minutes are left out when it does not
    #[arg(long, conflicts_with = "no_rest")]
    pub rest: bool,
    /// Do not ask the exchange
    #[arg(long)]
    pub no_rest: bool,
    /// Minutes younger than this are not compared with the exchange's, which may still change
    #[arg(long, value_name = "TIME", default_value = "3m")]
    pub settle: String,
    /// Upbit's REST
    #[arg(long, value_name = "URL", env = "HOGA_UPBIT_REST_URL", default_value = hoga_upbit::rest::REST_URL)]
    pub upbit_rest_url: String,
}

const BACKFILL_HELP: &str = "\
The running hoga does the work: what is wanted is in its ledger of gaps (upbit.gap, cause backfill, an hour of a market each), is taken
within the exchange's limits when nothing is to be repaired, and survives a crash. Ctrl-C ends only this command; the same command again
goes on showing it, and asks for nothing twice. Trades that are there already are not appended again.

Exit code: 0 all trades are there, 1 some hours are older than the exchange can tell by now, 2 a mistake, 3 no hoga or no exchange answers.";

#[derive(Debug, Args)]
#[command(after_help = format!("{TIMES_HELP}\n\n{BACKFILL_HELP}"), mut_arg("from", |from| from.required(true).help("Trades executed from then on")))]
pub struct BackfillArgs {
    /// Codes with commas, a quote currency (KRW), or all; collected or not
    #[arg(long, value_name = "MARKETS")]
    pub markets: String,
    #[command(flatten)]
    pub span: SpanArgs,
    #[command(flatten)]
    pub page: PageArgs,
    /// Ask for it and do not wait
    #[arg(long)]
    pub no_wait: bool,
}
