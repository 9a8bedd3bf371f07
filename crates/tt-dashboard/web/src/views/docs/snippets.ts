// The code of the guide that is no client's: what requests can say, what the numbers are, and how the server is run.

import { KEY, type Values } from "./guides";

/** Tags and a session, which are told in headers of the request. */
export function tagSnippet({ url, alias }: Values): string {
  return `curl ${url}/v1/chat/completions \\
  -H "Authorization: Bearer ${KEY}" -H "Content-Type: application/json" \\
  -H "x-tokentracer-tags: team=search,feature=summary" -H "x-tokentracer-session: import-42" \\
  -d '{"model":"${alias}","messages":[{"role":"user","content":"Hello!"}]}'`;
}

/** What a key may do and has spent. */
export function keySnippet({ url }: Values): string {
  return `curl ${url}/v1/key -H "Authorization: Bearer ${KEY}"`;
}

/** Sums by day and model, of some requests. */
export function usageSnippet({ url, alias }: Values): string {
  return `curl -G ${url}/manage/usage -H "Authorization: Bearer ${KEY}" \\
  -d group_by=day,model -d tz=Europe/Berlin -d from=2026-11-01T00:00:00Z \\
  -d alias=${alias} --data-urlencode tag=team=search -d outcome=ok -d format=csv`;
}

/** How a receiver of webhooks checks who sent an event. */
export const SIGNATURE_SNIPPET = `import base64, hashlib, hmac, time

def is_from_tokentracer(secret, headers, body):
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split())`;

/** Metrics, as Prometheus reads them. */
export function metricsSnippet({ url }: Values): string {
  const { protocol, host } = new URL(url);
  return `scrape_configs:
  - job_name: tokentracer
    scheme: ${protocol.replace(":", "")}
    authorization: { credentials: "the METRICS_TOKEN of the server" }
    static_configs: [{ targets: ["${host}"] }]`;
}

/** Whether the server works. */
export function healthSnippet({ url }: Values): string {
  return `curl ${url}/health        # the process answers
curl ${url}/health/ready  # so do its database, its Redis and its journal`;
}

/** The commands of whoever runs the server, with its settings. */
export const COMMANDS_SNIPPET = `tokentracer users promote ann@example.org       # makes the first administrator
tokentracer backup /backups/tokentracer.db      # copies the SQLite database while the server runs
tokentracer usage export --output requests.csv  # every request, as CSV or JSON lines
tokentracer prices update prices.json           # shows what a newer price table would change`;
