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

# Links into these namespaces show a file or nothing at all in the running text (File, Media, Category): names and
# aliases; a wiki also understands those of the language that its own falls back to (bg and uk: ru).
_ENGLISH_HIDDEN = "file image media category"
_HIDDEN = {
    "bg": "файл картинка медия категория изображение медиа",
    "ca": "fitxer imatge mèdia categoria",
    "cs": "soubor obrázek obrázok média kategorie",
    "da": "fil billede medie kategori",
    "de": "datei bild medium kategorie",
    "es": "archivo imagen medio categoría categoria",
    "fr": "fichier média catégorie categorie",
    "hr": "datoteka slika mediji medij kategorija",
    "hu": "fájl kép média kategória",
    "it": "immagine categoria",
    "ja": "ファイル 画像 メディア カテゴリ",
    "nl": "bestand afbeelding categorie",
    "pl": "plik grafika kategoria",
    "pt": "ficheiro arquivo imagem multimédia multimídia multimedia mídia categoria",
    "ro": "fișier fişier imagine categorie",
    "ru": "файл изображение медиа категория к",
    "sl": "slika datoteka kategorija",
    "sr": "датотека слика медиј медија категорија datoteka slika medij medija kategorija",
    "sv": "fil bild kategori",
    "uk": "файл зображення медіа категорія изображение медиа категория",
    "zh": "文件 檔案 档案 图像 圖像 媒體 媒体 分类 分類",
}
HIDDEN_NAMESPACES = {language: words(f"{_ENGLISH_HIDDEN} {names}") for language, names in _HIDDEN.items()}
ENGLISH_HIDDEN_NAMESPACES = words(_ENGLISH_HIDDEN)

# Prefixes of links to the same article in other languages, which stand beside the page and not in it
# (https://meta.wikimedia.org/wiki/List_of_Wikipedias, with the codes that were renamed). No guess by form: there are
# articles such as "CSI: Miami".
INTERLANGUAGE = words(
    "aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar "
    "bat-smg bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn blk bm bn bo bpy br bs btm bug bxr ca cbk-zam cdo ce "
    "ceb ch cho chr chy ckb co cr crh cs csb cu cv cy cz da dag de dga din diq dk dsb dtp dty dv dz ee el eml en eo "
    "epo es et eu ext fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw "
    "gu guc gur guw gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig igl ii ik ilo inh io is it iu ja "
    "jam jbo jp jv ka kaa kab kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky la lad lb "
    "lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr mi min mk ml mn mni mnw mo "
    "mos mr mrj ms mt mus mwl my myv mzn na nah nan nap nb nds nds-nl ne new ng nia nl nn no nov nqo nr nrm nso nup nv "
    "ny oc olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup "
    "roa-tara rsk ru rue rup rw sa sah sat sc scn sco sd se sg sgs sh shi shn shy si simple sk skr sl sm smn sn so sq "
    "sr srn ss st stq su sv sw syl szl szy ta tay tcy tdd te tet tg th ti tig tk tl tlh tly tn to tokipona tpi tr trv "
    "ts tt tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zgh zh "
    "zh-classical zh-cn zh-min-nan zh-tw zh-yue zu"
)

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

# Switches of a page, `__NOTOC__` and the like: what stands between the underscores.
SWITCHES = words(
    "toc notoc forcetoc noeditsection newsectionlink nonewsectionlink nogallery hiddencat expectunusedcategory "
    "expectunusedtemplate noindex index staticredirect disambig nocc nocontentconvert notc notitleconvert noglobal "
    "archivedtalk notalk съдържание безсъдържание безгалерия съссъдържание без_редактиране_на_раздели скритакатегория "
    "obsah bezobsahu bezgalerie vždyobsah bezeditovatčást skrytákat ingen_indholdsfortegnelse indholdsfortegnelse "
    "inhaltsverzeichnis kein_inhaltsverzeichnis keininhaltsverzeichnis inhaltsverzeichnis_erzwingen "
    "keine_galerie abschnitte_nicht_bearbeiten versteckte_kategorie nicht_indexieren neuer_abschnitt_link "
    "begriffsklärung tdc notdc sin_tdc forzartdc nogalería noeditarsección sommaire tdm aucunsommaire aucuntdm "
    "forcersommaire forcertdm aucunegalerie sectionnoneditable catcachée sadržaj bezsadržaja uvijeksadržaj "
    "bezgalerije bez_galerije bezuređivanjaodlomaka skrivenakat "
    "tartalomjegyzék tj nincstj nincstartalomjegyzék legyentartalomjegyzék legyentj nincsgaléria nincsszerkesztés "
    "nincsszerk rejtettkat indice noindice forzaindice nogalleria nomodificasezione catnascosta inhoud geeninhoud "
    "inhoud_dwingen forceerinhoud geengalerij nietbewerkbaresectie verborgencat spis bezspisu zespisem bezgalerii "
    "bezedycjisekcji katukryta ukrytakat tdc sumário semtdc semsumário forcartdc forçartdc forcarsumario forçarsumário "
    "semgaleria naoeditarseção nãoeditarseção semeditarseção categoriaoculta catoculta cuprins faracuprins fărăcuprins "
    "forteazacuprins forțeazăcuprins faragalerie farăgalerie fărăgalerie faraeditsectiune categorieascunsa "
    "оглавление огл без_оглавления без_огл обязательное_оглавление обяз_огл без_галереи "
    "без_редактирования_раздела скрытая_категория индекс без_индекса новый_раздел "
    "brezkazalavsebine brezkazala kazalo vsilikazalo vsilikazalovsebine brezgalerije urejanjerazdelkovnedovoljeno "
    "садржај безсадржаја без_садржаја форсиранисадржај форсирани_садржај без_галерије без_измена безизмена "
    "innehållsförteckning ingeninnehållsförteckning tvinginnehållsförteckning alltidinnehållsförteckning ingetgalleri "
    "interedigerasektion doldkat зміст без_змісту обов_зміст без_галереї безредагув без_редагув прихована_категорія "
    "目次 目次非表示 目次強制"
)
