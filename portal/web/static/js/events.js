// @ts-check
/**
 * The data of server-sent events of an answer, one by one. Comments and other fields are left out.
 * @param {ReadableStream<BufferSource>} body
 * @returns {AsyncGenerator<string>}
 */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let data = [];
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? '\n\n' : value;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
      if (line !== '' || data.length === 0) continue;
      yield data.join('\n');
      data = [];
    }
    if (done) return;
  }
}
