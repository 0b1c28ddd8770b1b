import { applyEdits, format } from "jsonc-parser";

export async function formatJSONC(text) {
  return applyEdits(text, format(text, undefined, { tabSize: 2, insertSpaces: true }));
}
