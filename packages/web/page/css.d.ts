/** Style sheets are put beside the page by the bundler. */
declare module "*.css";
