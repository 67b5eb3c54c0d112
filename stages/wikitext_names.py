"""Words of MediaWiki in the languages of the corpus: namespaces, redirects, disambiguation templates, magic words.

The names are MediaWiki's own (languages/messages/Messages*.php, `namespaceNames`, `namespaceAliases`, `magicWords`);
every wiki also understands the English ones. Japanese and Chinese are here beside the paper's twenty so that their
dumps can be read too. All names are in lower case and compare case-folded.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a table, which are parted by blanks."""
    return frozenset(text.split())


# LLaMA paper, section 2.1, "Wikipedia".
PAPER_LANGUAGES = (
    "bg",
    "ca",
    "cs",
    "da",
    "de",
    "en",
    "es",
    "fr",
    "hr",
    "hu",
    "it",
    "nl",
    "pl",
    "pt",
    "ro",
    "ru",
    "sl",
    "sr",
    "sv",
    "uk",
)

# Links into these namespaces show a file or nothing at all in the running text (File, Media, Category).
_ENGLISH_HIDDEN = "file image media category"
_HIDDEN = {
    "bg": "файл картинка медия категория",
    "ca": "fitxer imatge mèdia categoria",
    "cs": "soubor obrázok média kategorie",
    "da": "fil billede medie kategori",
    "de": "datei bild medium kategorie",
    "es": "archivo imagen medio categoría categoria",
    "fr": "fichier média catégorie categorie",
    "hr": "datoteka slika mediji kategorija",
    "hu": "fájl kép média kategória",
    "it": "immagine categoria",
    "ja": "ファイル 画像 メディア カテゴリ",
    "nl": "bestand afbeelding categorie",
    "pl": "plik grafika kategoria",
    "pt": "ficheiro arquivo imagem multimédia multimedia categoria",
    "ro": "fișier fişier imagine categorie",
    "ru": "файл изображение медиа категория к",
    "sl": "slika datoteka kategorija",
    "sr": "датотека слика медиј медија категорија datoteka slika medij kategorija",
    "sv": "fil bild kategori",
    "uk": "файл зображення медіа категорія",
    "zh": "文件 檔案 档案 图像 圖像 媒體 媒体 分类 分類",
}
HIDDEN_NAMESPACES = {language: words(f"{_ENGLISH_HIDDEN} {names}") for language, names in _HIDDEN.items()}
ENGLISH_HIDDEN_NAMESPACES = words(_ENGLISH_HIDDEN)

REDIRECT_WORDS = words(
    "redirect виж пренасочване redirecció redireccio přesměruj redirectto omdirigering weiterleitung "
    "redirección redireccion redirection preusmjeri átirányítás rinvia rinvio rimando doorverwijzing patrz "
    "przekieruj tam redirecionamento redirecionar redirecteaza перенаправление перенапр preusmeritev preusmeri "
    "преусмери перенаправлення 転送 リダイレクト 重定向 重新導向"
)

# Templates that mark a page as a disambiguation page ([[MediaWiki:Disambiguationspage]] of each wiki).
_DISAMBIGUATION = words(
    "disambig disambiguation dab disamb hndis geodis disambiguation_page пояснение desambiguació "
    "rozcestník flertydig begriffsklärung desambiguación desambiguacion homonymie razdvojba egyért "
    "egyért-redir disambigua aimai 曖昧さ回避 dp dpintro ujednoznacznienie disambig-pt desambiguação "
    "desambig dezambiguizare dezambig неоднозначность razločitev вишезначна_одредница "
    "višeznačna_odrednica förgrening gren багатозначність неоднозначність 消歧義 消歧义"
)
DISAMBIGUATION_TEMPLATES = frozenset(name.replace("_", " ") for name in _DISAMBIGUATION)

# `__TOC__` and the like: what stands between the underscores.
MAGIC_WORDS = words(
    "toc notoc forcetoc noeditsection newsectionlink nonewsectionlink nogallery hiddencat expectunusedcategory "
    "noindex index staticredirect disambig nocc nocontentconvert notc notitleconvert noglobal archivedtalk "
    "notalk съдържание безсъдържание obsah bezobsahu inhaltsverzeichnis kein_inhaltsverzeichnis "
    "inhaltsverzeichnis_erzwingen abschnitte_nicht_bearbeiten tdc notdc sin_tdc sommaire aucunsommaire "
    "aucuntdm sadržaj bezsadržaja tartalomjegyzék nincstj nincstartalomjegyzék legyentartalomjegyzék indice "
    "noindice forzaindice 目次 目次非表示 目次強制 inhoud geeninhoud inhoud_dwingen spis bezspisu zespisem "
    "semtdc sumário forcartdc cuprins faracuprins оглавление огл без_оглавления без_огл обязательное_оглавление "
    "обяз_огл brezkazalavsebine садржај безсадржаја innehållsförteckning ingeninnehållsförteckning зміст без_змісту "
    "обов_зміст безредагув"
)
