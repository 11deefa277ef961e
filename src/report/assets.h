/* The files under src/report/assets/, embedded when slick is built (cmake/embed.cmake); each ends with a NUL. */
#ifndef SLK_REPORT_ASSETS_H
#define SLK_REPORT_ASSETS_H

extern const char slk_asset_palette[]; /* palette.css: colours, light and dark */
extern const char slk_asset_figure[];  /* figure.css: what figures look like; by variables of the palette */
extern const char slk_asset_page[];    /* page.css: the report around them */
extern const char slk_asset_script[];  /* script.js: the table of facts, and the page's test of itself */

#endif
