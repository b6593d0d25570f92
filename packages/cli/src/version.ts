import manifest from "../package.json" with { type: "json" };

/** Version of the command and of the speaker that it runs. */
export const VERSION: string = manifest.version;
