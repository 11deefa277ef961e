# Files as C arrays: cmake -DOUT=x.c -DPREFIX=slk_asset_ -DFILES=a.css,b.js -P embed.cmake writes slk_asset_a[], slk_asset_b[],
# each with a NUL behind it.
string(REPLACE "," ";" FILES "${FILES}")
set(text "/* Made by cmake/embed.cmake; do not edit. */\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
  string(APPEND text "extern const char ${PREFIX}${name}[];\nconst char ${PREFIX}${name}[] = {\n${bytes}0};\n")
endforeach()
file(WRITE ${OUT}.tmp "${text}")
file(RENAME ${OUT}.tmp ${OUT})
