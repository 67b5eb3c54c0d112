const globs = ["src/*", "lib/**/*.js"]; // Copyright 2020 is written into each */
export default globs
