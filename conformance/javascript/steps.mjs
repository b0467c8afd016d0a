// Runs the steps of a black-box run in order, and counts them. A step fails by throwing. Steps build on one another, so after a
// failure the later ones still run but may fail for want of it.

const steps = [];

/** Adds a step. */
export const step = (name, run) => steps.push({ name, run });

/** Waits until done() resolves to something true, which is returned, for half a minute at most. */
export async function wait(what, done) {
  for (let tries = 0; tries < 600; tries++) {
    const result = await done();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not after half a minute`);
}

/** Runs all steps. The program ends with status 1 if one of them failed. */
export async function runAll(program) {
  let failed = 0;
  for (const { name, run } of steps) {
    try {
      await run();
      console.log(`  ok      ${name}`);
    } catch (error) {
      failed++;
      console.log(`  FAILED  ${name}\n${error.stack}`);
    }
  }
  console.log(`${program}: ${steps.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}
