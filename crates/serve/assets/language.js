// The page's words in Korean and English, and which of the two is shown.

const WORDS = {
  markets: ["시세", "Markets"],
  search: ["이름, 초성, 코드 검색", "Search name or code"],
  quotes: ["마켓", "Quote currency"],
  sort: ["정렬", "Sort"],
  name: ["이름", "Name"],
  price: ["가격", "Price"],
  change: ["등락률", "Change"],
  turnover: ["거래대금", "Turnover"],
  warning: ["유의", "Warning"],
  noMarket: ["찾는 마켓이 없습니다", "No market matches"],
  waiting: ["시세를 기다리는 중…", "Waiting for prices…"],
  summary: ["종목 정보", "Market"],
  high: ["고가", "High"],
  low: ["저가", "Low"],
  prevClose: ["전일 종가", "Prev. close"],
  volume24h: ["거래량 24h", "Volume 24h"],
  turnover24h: ["거래대금 24h", "Turnover 24h"],
  strength: ["체결강도", "Buy/sell"],
  range52w: ["52주 최저–최고", "52-week range"],
  chart: ["차트", "Chart"],
  interval: ["봉 간격", "Interval"],
  second: ["1초", "1s"],
  minute: ["1분", "1m"],
  minutes5: ["5분", "5m"],
  legendOpen: ["시", "O"],
  legendHigh: ["고", "H"],
  legendLow: ["저", "L"],
  legendClose: ["종", "C"],
  legendVolume: ["량", "V"],
  noBars: ["아직 체결이 없습니다", "No trades yet"],
  barsFailed: ["차트를 불러오지 못했습니다", "The chart could not be loaded"],
  book: ["호가", "Order book"],
  bookShort: ["호가", "Book"],
  size: ["잔량", "Size"],
  askTotal: ["매도 잔량", "Ask total"],
  bidTotal: ["매수 잔량", "Bid total"],
  trades: ["체결", "Trades"],
  time: ["시각(KST)", "Time (KST)"],
  volume: ["체결량", "Volume"],
  amount: ["체결금액", "Amount"],
  lower: ["파이프라인과 SQL", "Pipeline and SQL"],
  more: ["상태·SQL", "Status"],
  views: ["화면", "Views"],
  pipeline: ["파이프라인", "Pipeline"],
  licence: ["라이선스", "licence"],
  statement: ["SQL 문", "SQL statement"],
  result: ["결과", "Result"],
  run: ["실행 (Ctrl+Enter)", "Run (Ctrl+Enter)"],
  examples: ["예제", "Examples"],
  running: ["실행 중…", "running…"],
  rows: ["행", "rows"],
  truncated: ["(더 있음)", "(there are more)"],
  connected: ["연결됨", "Live"],
  connecting: ["연결 중…", "Connecting…"],
  reconnecting: ["재연결 중…", "Reconnecting…"],
  noExchange: ["거래소 끊김", "No exchange"],
  simulated: ["모의 데이터", "SIMULATED"],
  replay: ["재생", "REPLAY"],
  replayEnded: ["재생 끝", "REPLAY ENDED"],
  unreachable: ["거래소에 연결할 수 없습니다", "The exchange cannot be reached"],
  retryIn: ["다음 시도까지", "next attempt in"],
  eventsPerSecond: ["건/초", "events/s"],
  lag: ["지연", "lag"],
  memory: ["메모리", "memory"],
  latency: ["수신→조회 p99", "visible p99"],
  latency50: ["수신→조회 p50", "visible p50"],
  deadLetters: ["불량 메시지", "dead letters"],
  dead: ["불량", "dead"],
  uptime: ["가동 시간", "uptime"],
  source: ["소스", "source"],
  reconnects: ["재접속", "reconnects"],
  checkpoint: ["체크포인트", "checkpoint"],
  cpu: ["CPU", "CPU"],
  lastCommit: ["마지막 커밋", "last commit"],
  streams: ["수신", "Streams"],
  stream: ["스트림", "stream"],
  received: ["받은 건수", "received"],
  rate: ["건/초", "per second"],
  lastEvent: ["마지막", "last"],
  jobs: ["작업", "Jobs"],
  job: ["작업", "job"],
  rowsIn: ["입력", "in"],
  rowsOut: ["출력", "out"],
  tables: ["테이블", "Tables"],
  table: ["테이블", "table"],
  committed: ["커밋됨", "committed"],
  live: ["실시간", "live"],
  snapshot: ["스냅샷", "snapshot"],
  commitAge: ["커밋", "commit"],
  topics: ["토픽", "Topics"],
  topic: ["토픽", "topic"],
  records: ["레코드", "records"],
  partitions: ["파티션", "partitions"],
  bytes: ["크기", "size"],
  ago: ["전", "ago"],
  token: ["접속 토큰", "Access token"],
  enter: ["들어가기", "Enter"],
  wrongToken: ["토큰이 맞지 않습니다", "That is not the token"],
  unreachableServer: ["서버에 연결할 수 없습니다", "The server cannot be reached"],
};

const MEMORY = "hoga.language";
let language = "en";

export const current = () => language;

/** What was chosen before, or what the browser speaks. */
export function preferred() {
  const remembered = remember(MEMORY);
  return remembered === "ko" || remembered === "en" ? remembered : navigator.language?.startsWith("ko") ? "ko" : "en";
}

export function choose(next) {
  language = next;
  remember(MEMORY, next);
  document.documentElement.lang = next;
}

export const t = (word) => WORDS[word]?.[language === "ko" ? 0 : 1] ?? word;

/** A word in the chosen language, then in the other. */
export const both = (word) => (language === "ko" ? WORDS[word] : WORDS[word].toReversed());

/** Fills in every element that names its word. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = t(element.dataset.placeholder);
}

/** Reads or writes what the browser remembers; a browser that forbids it just forgets. */
export function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch {
    // private windows may have no storage
  }
  return null;
}
