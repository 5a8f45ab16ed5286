// The service answers: pictures are sent to it, one a request.
export const where = "Pictures are sent to the service that this page comes from, and kept nowhere.";
export const atOnce = 4;

export async function about() {
  const answer = await fetch("healthz");
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.json();
}

export async function classify(file) {
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch("predict?top_k=5&explain=3", { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } });
    if (answer.status === 503 && tries < 20) {
      await new Promise((wake) => setTimeout(wake, 1000 * Number(answer.headers.get("retry-after") || 1)));
      continue;
    }
    const told = await answer.json();
    return answer.ok ? told : { error: typeof told.detail === "string" ? told.detail : `The service answered ${answer.status}.` };
  }
}
