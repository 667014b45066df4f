// The assessment of a known text: asks the server, and shows its answer.
const WRONG = ["substitution", "deletion"];

// The answer for a recording, or null without a text.
export async function assess(blob, text, model, headers) {
  if (!text.trim()) return null;
  const form = new FormData();
  form.append("file", blob, "recording");
  form.append("text", text);
  if (model) form.append("model", model);
  const response = await fetch("v1/pronunciation", { method: "POST", body: form, headers }).catch(() => { throw { key: "offline" }; });
  const content = await response.json();
  if (!response.ok) throw content.error;
  return content;
}

function made(name, text, className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// Elements for an answer; `say` gives the words of the page, `language` is that of the advice.
export function drawAssessment(answer, say, language) {
  const warnings = (answer.warnings ?? []).map((warning) => made("p", warning[language], "note"));
  if (!answer.assessable) return [made("p", say("not-assessable", { reason: say(`outcome-${answer.outcome}`) }), "note"), ...warnings];
  const words = document.createElement("p");
  words.lang = "ko";
  words.className = "assessed";
  for (const word of answer.words) {
    const box = made("span", "", "word");
    box.append(made("b", word.text ?? ""));
    if (word.pronounced && word.pronounced !== (word.text ?? "").replace(/[^가-힣]/g, "")) box.append(made("small", `[${word.pronounced}]`));
    const phones = word.syllables.flatMap((syllable) => syllable.phones);
    box.append(...phones.map((phone) => {
      const heard = phone.kind === "substitution" ? `→${phone.recognised_letter}` : { deletion: "×", unclear: "?" }[phone.kind] ?? "";
      const part = made("span", `${phone.letter}${heard}`, phone.kind);
      part.title = `${say(`kind-${phone.kind}`)}${phone.ipa ? ` [${phone.ipa}]` : ""}`;
      return part;
    }));
    words.append(box);
  }
  const wrong = answer.words.some((word) => word.syllables.some((syllable) => syllable.phones.some((phone) => WRONG.includes(phone.kind))));
  const advice = answer.advice?.[language] ?? (wrong ? "" : say("no-errors"));
  return [made("p", advice, "advice"), words, ...warnings];
}
