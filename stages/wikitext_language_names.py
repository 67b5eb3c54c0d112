"""Names of languages as `{{lang-de|Wort}}` shows them before the word, on the Wikipedias where it does.

In: the language of the Wikipedia, the code of a language, a word. Out: `German: Wort`, `deutsch Wort`, `нем. Wort`;
the word alone where the name is not in the table. The labels are those of the templates of each Wikipedia.
"""

from __future__ import annotations

_NAMES = {
    "en": (
        "{n}: {t}",
        "ar=Arabic bg=Bulgarian ca=Catalan cs=Czech cy=Welsh da=Danish de=German el=Greek en=English es=Spanish "
        "et=Estonian eu=Basque fa=Persian fi=Finnish fr=French ga=Irish gd=Scottish_Gaelic gl=Galician "
        "grc=Ancient_Greek he=Hebrew hi=Hindi hr=Croatian hu=Hungarian hy=Armenian id=Indonesian is=Icelandic "
        "it=Italian ja=Japanese ka=Georgian ko=Korean la=Latin lt=Lithuanian lv=Latvian mk=Macedonian ms=Malay "
        "nl=Dutch no=Norwegian pl=Polish pt=Portuguese ro=Romanian ru=Russian sa=Sanskrit sk=Slovak sl=Slovene "
        "sq=Albanian sr=Serbian sv=Swedish th=Thai tr=Turkish uk=Ukrainian ur=Urdu vi=Vietnamese yi=Yiddish",
    ),
    "de": (
        "{n} {t}",
        "ar=arabisch bg=bulgarisch ca=katalanisch cs=tschechisch da=dänisch el=griechisch en=englisch es=spanisch "
        "et=estnisch fa=persisch fi=finnisch fr=französisch grc=altgriechisch he=hebräisch hr=kroatisch hu=ungarisch "
        "it=italienisch ja=japanisch ko=koreanisch la=lateinisch lt=litauisch lv=lettisch nl=niederländisch "
        "no=norwegisch pl=polnisch pt=portugiesisch ro=rumänisch ru=russisch sk=slowakisch sl=slowenisch sr=serbisch "
        "sv=schwedisch tr=türkisch uk=ukrainisch zh=chinesisch",
    ),
    "fr": (
        "en {n} : {t}",
        "ar=arabe ca=catalan cs=tchèque da=danois de=allemand el=grec en=anglais es=espagnol fi=finnois "
        "grc=grec_ancien he=hébreu hu=hongrois it=italien ja=japonais ko=coréen la=latin nl=néerlandais no=norvégien "
        "pl=polonais pt=portugais ro=roumain ru=russe sr=serbe sv=suédois tr=turc uk=ukrainien zh=chinois",
    ),
    "es": (
        "en {n}: {t}",
        "ar=árabe ca=catalán cs=checo da=danés de=alemán el=griego en=inglés eu=euskera fi=finés fr=francés gl=gallego "
        "grc=griego_antiguo he=hebreo hu=húngaro it=italiano ja=japonés ko=coreano la=latín nl=neerlandés no=noruego "
        "pl=polaco pt=portugués ro=rumano ru=ruso sr=serbio sv=sueco tr=turco uk=ucraniano zh=chino",
    ),
    "pt": (
        "em {n}: {t}",
        "ar=árabe ca=catalão cs=checo da=dinamarquês de=alemão el=grego en=inglês es=espanhol fi=finlandês fr=francês "
        "grc=grego_antigo he=hebraico hu=húngaro it=italiano ja=japonês ko=coreano la=latim nl=neerlandês pl=polonês "
        "ro=romeno ru=russo sr=sérvio sv=sueco tr=turco uk=ucraniano zh=chinês",
    ),
    "it": (
        "in {n} {t}",
        "ar=arabo ca=catalano cs=ceco da=danese de=tedesco el=greco en=inglese es=spagnolo fi=finlandese fr=francese "
        "grc=greco_antico he=ebraico hu=ungherese ja=giapponese ko=coreano la=latino nl=olandese no=norvegese "
        "pl=polacco pt=portoghese ro=rumeno ru=russo sl=sloveno sr=serbo sv=svedese tr=turco uk=ucraino zh=cinese",
    ),
    "ru": (
        "{n} {t}",
        "ar=араб. be=белор. bg=болг. cs=чеш. da=дат. de=нем. el=греч. en=англ. es=исп. et=эст. fa=перс. fi=фин. fr=фр. "
        "grc=др.-греч. he=ивр. hu=венг. it=итал. ja=яп. ka=груз. kk=каз. ko=кор. la=лат. lt=лит. lv=латыш. nl=нидерл. "
        "no=норв. pl=польск. pt=порт. ro=рум. ru=рус. sk=словацк. sl=словен. sr=серб. sv=швед. tr=тур. tt=тат. uk=укр. "
        "zh=кит.",
    ),
    "uk": (
        "{n} {t}",
        "ar=араб. be=біл. bg=болг. cs=чеськ. da=дан. de=нім. el=грец. en=англ. es=ісп. fi=фін. fr=фр. grc=дав.-гр. "
        "he=івр. hu=угор. it=італ. ja=яп. ko=кор. la=лат. lt=лит. lv=латис. nl=нід. no=норв. pl=пол. pt=порт. ro=рум. "
        "ru=рос. sk=словац. sr=серб. sv=швед. tr=тур. zh=кит.",
    ),
    "sr": (
        "{n} {t}",
        "ar=арап. bg=буг. cs=чеш. de=нем. el=грч. en=енгл. es=шп. fr=фр. grc=стгрч. he=хебр. hr=хрв. hu=мађ. it=итал. "
        "ja=јап. la=лат. mk=мкд. nl=хол. pl=пољ. pt=порт. ro=рум. ru=рус. sl=словен. sq=алб. sv=швед. tr=тур. uk=укр.",
    ),
}
_TABLES = {
    wiki: (
        form,
        {code: name.replace("_", " ") for code, _, name in (p.partition("=") for p in pairs.split())},
    )
    for wiki, (form, pairs) in _NAMES.items()
}
# Codes that stand in names of templates and are not those of ISO 639.
_ALIASES = {
    "cn": "zh", "jp": "ja", "cz": "cs", "dk": "da", "gr": "el", "nb": "no", "nn": "no", "ua": "uk", "la-x-med": "la",
    "нем": "de", "енг": "en", "енгл": "en", "фра": "fr", "фр": "fr", "рус": "ru", "лат": "la", "ита": "it",
    "итал": "it", "шпа": "es", "мађ": "hu", "тур": "tr", "грч": "el", "пољ": "pl", "буг": "bg", "хеб": "he",
}  # fmt: skip


def labelled(wiki: str, code: str, text: str) -> str:
    """The word after the name of its language, or alone where the Wikipedia or the code is not known."""
    code = _ALIASES.get(code.lower(), code.lower())
    form, names = _TABLES.get(wiki, ("", {}))
    name = names.get(code)
    return form.format(n=name, t=text) if name and text else text
